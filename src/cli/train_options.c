#include "train_options.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static_assert(sizeof(bki_embedding_mode) == sizeof(int) && sizeof(bki_readout) == sizeof(int), "CLI_CHOICE writes");

enum { MAX_CLASSES = 4096 };

static void add_text_options(cli_command_line *line, cli_train_options *o) {
  static const char *const tokenizers[] = {"words", "keras", "whitespace", NULL};
  static const char *const keeps[] = {"tail", "head", NULL};
  static const char *const modes[] = {"auto", "frozen", "tuned", NULL};
  bki_train_config *c = o->config;
  const cli_option options[] = {
      {.name = "classes",
       .kind = CLI_TEXT,
       .target = &o->classes,
       .value = "A,B,...",
       .help = "the labels, in the order of the logits (default: those found, in byte order)"},
      {.name = "tokenizer",
       .kind = CLI_CHOICE,
       .target = &o->tokenizer,
       .choices = tokenizers,
       .help = "how a text becomes words (default words)"},
      {.name = "no-lowercase", .kind = CLI_FLAG, .target = &o->no_lowercase, .help = "keep upper case"},
      {.name = "no-strip-html",
       .kind = CLI_FLAG,
       .target = &o->no_strip_html,
       .help = "words: an HTML line break is text like any other"},
      {.name = "vocabulary-size",
       .kind = CLI_INT,
       .target = &c->max_vocabulary,
       .value = "N",
       .min = 0,
       .max = 1 << 27,
       .help = "most frequent words that are known; 0 is all (default 10000)"},
      {.name = "max-words",
       .kind = CLI_INT,
       .target = &o->max_words,
       .value = "N",
       .min = 1,
       .max = 1 << 24,
       .help = "longer texts are cut (default 500, or T of --pad)"},
      {.name = "keep",
       .kind = CLI_CHOICE,
       .target = &c->model.keep,
       .choices = keeps,
       .help = "which end of them stays (default tail)"},
      {.name = "embeddings",
       .kind = CLI_TEXT,
       .target = &c->embeddings_path,
       .value = "FILE",
       .help = "word vectors in GloVe's format, or a model to take them from (default: random, tuned)"},
      {.name = "embedding-norm",
       .kind = CLI_REAL,
       .target = &c->embedding_norm,
       .value = "X",
       .help = "length that every one of them is scaled to; 0: as they are (default 5.5)"},
      {.name = "embedding",
       .kind = CLI_CHOICE,
       .target = &c->embedding_mode,
       .choices = modes,
       .help = "whether training changes the vectors (default: not those of a file)"},
      {.name = "embedding-dim",
       .kind = CLI_INT,
       .target = &c->model.embedding_dim,
       .value = "E",
       .min = 1,
       .max = 1 << 16,
       .help = "numbers of a vector (default 100, or as the file has)"},
  };
  CLI_ADD_OPTIONS(line, options);
}

static void add_model_options(cli_command_line *line, cli_train_options *o) {
  static const char *const activations[] = {"relu", "tanh", "none", NULL};
  static const char *const readouts[] = {"final", "last", "mean", "max", NULL};
  static const char *const pad_vectors[] = {"embedding", "zero", NULL};
  bki_model_config *m = &o->config->model;
  const cli_option options[] = {
      {.name = "hidden",
       .kind = CLI_INT,
       .target = &m->hidden,
       .value = "H",
       .min = 1,
       .max = 1 << 16,
       .help = "LSTM units a direction (default 128)"},
      {.name = "num-layers",
       .kind = CLI_INT,
       .target = &m->num_layers,
       .value = "N",
       .min = 1,
       .max = 64,
       .help = "LSTM layers (default 1)"},
      {.name = "dense",
       .kind = CLI_INT,
       .target = &m->dense,
       .value = "D",
       .min = 0,
       .max = 1 << 16,
       .help = "units of the layer before the output; 0 is none (default 128)"},
      {.name = "activation",
       .kind = CLI_CHOICE,
       .target = &m->dense_activation,
       .choices = activations,
       .help = "of that layer (default relu)"},
      {.name = "readout",
       .kind = CLI_CHOICE,
       .target = &m->readout,
       .choices = readouts,
       .help = "what the head reads (default final)"},
      {.name = "pad",
       .kind = CLI_TEXT,
       .target = &o->pad,
       .value = "none|pre:T|post:T",
       .help = "unmasked pads up to T steps (default none: packed sequences)"},
      {.name = "pad-vector",
       .kind = CLI_CHOICE,
       .target = &m->pad_vector,
       .choices = pad_vectors,
       .help = "what a pad is (default embedding: its row 0)"},
  };
  CLI_ADD_OPTIONS(line, options);
}

static void add_optimizer_options(cli_command_line *line, cli_train_options *o) {
  static const char *const optimizers[] = {"adam", "rmsprop", NULL};
  static const char *const conventions[] = {"pytorch", "keras", NULL};
  bki_optimizer_config *p = &o->optimizer;
  const cli_option options[] = {
      {.name = "optimizer",
       .kind = CLI_CHOICE,
       .target = &o->optimizer_type,
       .choices = optimizers,
       .help = "(default adam)"},
      {.name = "convention",
       .kind = CLI_CHOICE,
       .target = &o->convention,
       .choices = conventions,
       .help = "whose initial weights and defaults below (default keras)"},
      {.name = "learning-rate",
       .kind = CLI_REAL,
       .target = &p->learning_rate,
       .value = "X",
       .help = "(default 0.001; pytorch's rmsprop 0.01)"},
      {.name = "beta1", .kind = CLI_REAL, .target = &p->beta1, .value = "X", .help = "of Adam (default 0.9)"},
      {.name = "beta2",
       .kind = CLI_REAL,
       .target = &p->beta2,
       .value = "X",
       .help = "of Adam (default 0.999); rmsprop: rho or alpha (default 0.9; pytorch: 0.99)"},
      {.name = "epsilon",
       .kind = CLI_REAL,
       .target = &p->epsilon,
       .value = "X",
       .help = "(default 1e-7; pytorch: 1e-8)"},
      {.name = "clip-norm",
       .kind = CLI_REAL,
       .target = &p->clip_norm,
       .value = "X",
       .help = "largest norm of all gradients together (default 0: no limit)"},
  };
  CLI_ADD_OPTIONS(line, options);
}

static void add_training_options(cli_command_line *line, cli_train_options *o) {
  bki_train_config *c = o->config;
  const cli_option options[] = {
      {.name = "dropout",
       .kind = CLI_REAL,
       .target = &c->dropout,
       .value = "X",
       .help = "of the readout and between layers, 0 to below 1 (default 0)"},
      {.name = "batch-size",
       .kind = CLI_INT,
       .target = &c->batch_size,
       .value = "N",
       .min = 1,
       .max = 1 << 24,
       .help = "samples of a step (default 64)"},
      {.name = "epochs",
       .kind = CLI_INT,
       .target = &c->epochs,
       .value = "N",
       .min = 1,
       .max = 1000000,
       .help = "(default 10)"},
      {.name = "seed",
       .kind = CLI_U64,
       .target = &c->seed,
       .value = "N",
       .help = "of the initial weights, the order and the split (default 1)"},
      {.name = "validation-split",
       .kind = CLI_REAL,
       .target = &c->validation_split,
       .value = "X",
       .help = "share of the samples that is held out (default 0)"},
      {.name = "validation",
       .kind = CLI_TEXTS,
       .target = &o->validation,
       .value = "FILE",
       .help = "a file of samples to validate with instead; may be repeated"},
      {.name = "patience",
       .kind = CLI_INT,
       .target = &c->patience,
       .value = "N",
       .min = 0,
       .max = 1000000,
       .help = "end after N epochs without a lower validation loss (default 0: never)"},
  };
  CLI_ADD_OPTIONS(line, options);
}

/* "none", "pre:T", "post:T". */
static bool parse_pad(const char *text, bki_model_config *m) {
  static const char *const names[] = {"none", "pre:", "post:"};
  for (int i = 1; i < 3; i++) {
    const size_t size = strlen(names[i]);
    if (strncmp(text, names[i], size) == 0) {
      char *end;
      const long length = strtol(text + size, &end, 10);
      m->pad = (bki_pad)i;
      m->pad_length = (int32_t)length;
      return text[size] >= '1' && text[size] <= '9' && *end == '\0' && length <= 1 << 24;
    }
  }
  return strcmp(text, names[0]) == 0;
}

/* Cuts a copy at its commas. */
static int split_classes(char *text, const char **names) {
  int n = 0;
  for (char *rest = text, *name; n < MAX_CLASSES && (name = strsep(&rest, ",")) != NULL;) {
    names[n++] = name;
  }
  return n;
}

static int settle_classes(cli_train_options *o) {
  if (o->classes == NULL) {
    return BKI_OK;
  }
  o->class_text = strdup(o->classes);
  o->class_names = calloc(MAX_CLASSES, sizeof *o->class_names);
  if (o->class_text == NULL || o->class_names == NULL) {
    return cli_out_of_memory();
  }
  o->config->model.n_classes = split_classes(o->class_text, o->class_names);
  o->config->model.classes = o->class_names;
  return BKI_OK;
}

static void settle_optimizer(cli_train_options *o) {
  bki_optimizer_config *p = &o->config->optimizer;
  const bki_optimizer_config given = o->optimizer;
  o->config->convention = (bki_convention)o->convention;
  bki_optimizer_config_init(p, (bki_optimizer_type)o->optimizer_type, o->config->convention);
  double *const fields[] = {&p->learning_rate, &p->beta1, &p->beta2, &p->epsilon, &p->clip_norm};
  const double values[] = {given.learning_rate, given.beta1, given.beta2, given.epsilon, given.clip_norm};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    *fields[i] = isnan(values[i]) ? *fields[i] : values[i];
  }
}

static void settle_tokenizer(cli_train_options *o) {
  bki_tokenizer_config *t = &o->config->model.tokenizer;
  if (o->tokenizer >= 0) {
    bki_tokenizer_config_init(t, (bki_tokenizer_type)o->tokenizer);
  }
  t->lowercase = t->lowercase && !o->no_lowercase;
  t->strip_html = t->strip_html && !o->no_strip_html;
}

void cli_train_options_init(cli_train_options *options, bki_train_config *config) {
  *options = (cli_train_options){
      .config = config,
      .optimizer = {.learning_rate = NAN, .beta1 = NAN, .beta2 = NAN, .epsilon = NAN, .clip_norm = NAN},
      .convention = BKI_CONVENTION_KERAS,
      .tokenizer = -1};
}

void cli_add_train_options(cli_command_line *line, cli_train_options *options) {
  add_text_options(line, options);
  add_model_options(line, options);
  add_optimizer_options(line, options);
  add_training_options(line, options);
}

int cli_train_options_apply(cli_train_options *options, const char *command) {
  bki_model_config *m = &options->config->model;
  if (options->pad != NULL && !parse_pad(options->pad, m)) {
    return cli_usage_error(command, "--pad: expected none, pre:T or post:T, found \"%s\"", options->pad);
  }
  if (options->max_words > 0) {
    m->max_words = options->max_words;
  } else if (m->pad != BKI_PAD_NONE) {
    m->max_words = m->pad_length;
  }
  settle_optimizer(options);
  settle_tokenizer(options);
  options->config->validation_paths = options->validation.items;
  options->config->n_validation_paths = options->validation.n;
  return settle_classes(options);
}

void cli_train_options_clear(cli_train_options *options) {
  free(options->class_names);
  free(options->class_text);
}
