#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include <bki/stream.h>

#include "corpus_file.h"

static bki_corpus_config defaults(void) {
  bki_corpus_config config;
  bki_corpus_config_init(&config);
  return config;
}

static bki_format detect(const char *name, bki_str content, const bki_corpus_config *config) {
  corpus_file file;
  corpus_file_open(&file, name, content, config);
  bki_format format = bki_corpus_format(file.corpus);
  corpus_file_close(&file);
  return format;
}

Test(corpus, tells_the_format_by_the_name) {
  bki_corpus_config config = defaults();
  cr_assert_eq(detect("a.jsonl", BYTES("text\n"), &config), BKI_FORMAT_JSONL);
  cr_assert_eq(detect("a.ndjson", BYTES("text\n"), &config), BKI_FORMAT_JSONL);
  cr_assert_eq(detect("A.JSON.gz", BYTES("text\n"), &config), BKI_FORMAT_JSONL);
  cr_assert_eq(detect("a.csv.zst", BYTES("text\n"), &config), BKI_FORMAT_CSV);
  cr_assert_eq(detect("a.tsv", BYTES("text\n"), &config), BKI_FORMAT_TSV);
}

Test(corpus, tells_the_format_by_the_first_bytes_of_a_file_with_another_name) {
  bki_corpus_config config = defaults();
  cr_assert_eq(detect("a", BYTES("\n {\"text\""), &config), BKI_FORMAT_JSONL);
  cr_assert_eq(detect("a.gz", BYTES("[1,\t2]"), &config), BKI_FORMAT_JSONL);
  cr_assert_eq(detect("a", BYTES("label\ttext\ta,b\n"), &config), BKI_FORMAT_TSV);
  cr_assert_eq(detect("a.txt", BYTES("label,text\n\t\n"), &config), BKI_FORMAT_CSV);
  cr_assert_eq(detect("a", BYTES("\xef\xbb\xbf{}"), &config), BKI_FORMAT_JSONL);
}

Test(corpus, believes_the_setting_before_the_name) {
  bki_corpus_config config = defaults();
  config.format = BKI_FORMAT_TSV;
  cr_assert_eq(detect("a.jsonl", BYTES("text\tlabel\n"), &config), BKI_FORMAT_TSV);
}

static bki_status open_paths(bki_corpus **out, const char *const *paths, size_t n, bki_error *err) {
  bki_corpus_config config = defaults();
  config.paths = paths;
  config.n_paths = n;
  return bki_corpus_open(out, &config, err);
}

Test(corpus, refuses_settings_out_of_range) {
  corpus_file file;
  bki_corpus_config config = defaults();
  config.max_record_bytes = 0;
  cr_assert_eq(corpus_file_try(&file, "a.csv", BYTES("text\n"), &config), BKI_E_USAGE);
  corpus_file_close(&file);
  config.max_record_bytes = ((size_t)1 << 30) + 1;
  cr_assert_eq(corpus_file_try(&file, "a.csv", BYTES("text\n"), &config), BKI_E_USAGE);
  corpus_file_close(&file);
  bki_corpus *corpus;
  bki_error err;
  cr_assert_eq(open_paths(&corpus, NULL, 0, &err), BKI_E_USAGE);
  cr_assert_eq(open_paths(&corpus, (const char *[]){"-", "-"}, 2, &err), BKI_E_USAGE);
  cr_assert_not_null(strstr(err.message, "standard input (-) at most once"), "%s", err.message);
}

Test(corpus, misses_a_file_before_it_reads_another) {
  const char *paths[] = {scratch_path("a.jsonl"), scratch_path("b.jsonl")};
  scratch_write(paths[0], "{}\n", 3);
  bki_corpus *corpus;
  bki_error err;
  cr_assert_eq(open_paths(&corpus, paths, 2, &err), BKI_E_IO);
  cr_assert_str_eq(err.file, paths[1]);
}

/* Every record of the corpus: "path:line:text " one after the other. */
static bki_status collect(bki_corpus *corpus, bki_strbuf *out, bki_error *err) {
  bki_arena *arena = bki_arena_create();
  bki_status status = BKI_OK;
  for (bool end = false; status == BKI_OK;) {
    bki_raw_record record;
    bki_fields fields;
    status = bki_corpus_next(corpus, &record, &end, err);
    if (status != BKI_OK || end) {
      break;
    }
    status = bki_corpus_parse(corpus, &record, arena, &fields, err);
    if (status == BKI_OK) {
      bki_strbuf_format(out, "%zu:%lld:%s ", record.path, (long long)record.line, fields.text.data);
    }
  }
  bki_arena_destroy(arena);
  return status;
}

Test(corpus, reads_several_files_one_after_the_other) {
  const char *paths[] = {scratch_path("a.csv"), scratch_path("b.csv"), scratch_path("c.csv")};
  scratch_write(paths[0], "text\na\nb", 8);
  scratch_write(paths[1], "\xef\xbb\xbftext\r\n", 9);
  scratch_write(paths[2], "\ntext\nc\n", 8);
  bki_corpus *corpus;
  bki_error err;
  cr_assert_eq(open_paths(&corpus, paths, 3, &err), BKI_OK, "%s", err.message);
  bki_strbuf found = {0};
  cr_assert_eq(collect(corpus, &found, &err), BKI_OK, "%s", err.message);
  cr_assert_str_eq(found.data, "0:2:a 0:3:b 2:3:c ");
  cr_assert_eq(bki_corpus_size(corpus), 25);
  cr_assert_eq(bki_corpus_position(corpus), 25);
  bki_strbuf_clear(&found);
  bki_corpus_close(corpus);
}

Test(corpus, refuses_another_header_in_a_later_file) {
  const char *paths[] = {scratch_path("a.csv"), scratch_path("b.csv")};
  scratch_write(paths[0], "text,label\na,b\n", 15);
  scratch_write(paths[1], "label,text\na,b\n", 15);
  bki_corpus *corpus;
  bki_error err;
  cr_assert_eq(open_paths(&corpus, paths, 2, &err), BKI_OK);
  bki_strbuf found = {0};
  for (int i = 0; i < 2; i++) { /* the error stays */
    cr_assert_eq(collect(corpus, &found, &err), BKI_E_DATA);
    cr_assert_str_eq(err.file, paths[1]);
    cr_assert_str_eq(err.message, "expected the header of the first file, \"text,label\", found \"label,text\"");
  }
  cr_assert_str_eq(found.data, "0:2:a ");
  bki_strbuf_clear(&found);
  bki_corpus_close(corpus);
}

Test(corpus, refuses_a_later_file_of_another_format) {
  const char *paths[] = {scratch_path("a.csv"), scratch_path("b.jsonl")};
  scratch_write(paths[0], "text\na\n", 7);
  scratch_write(paths[1], "{}\n", 3);
  bki_corpus *corpus;
  bki_error err;
  cr_assert_eq(open_paths(&corpus, paths, 2, &err), BKI_E_DATA);
  cr_assert_str_eq(err.message, "expected CSV like the files before it, found JSON Lines");
}

Test(corpus, reads_standard_input_among_the_files) {
  int ends[2];
  cr_assert_eq(pipe(ends), 0);
  cr_assert_eq(write(ends[1], "{\"text\": \"in\"}\n", 15), 15);
  close(ends[1]);
  dup2(ends[0], STDIN_FILENO);
  const char *paths[] = {"-", scratch_path("a.jsonl")};
  scratch_write(paths[1], "{\"text\": \"a\"}\n{", 15);
  bki_corpus *corpus;
  bki_error err;
  cr_assert_eq(open_paths(&corpus, paths, 2, &err), BKI_OK, "%s", err.message);
  cr_assert_eq(bki_corpus_size(corpus), -1);
  bki_strbuf found = {0};
  cr_assert_eq(collect(corpus, &found, &err), BKI_E_DATA);
  cr_assert_str_eq(found.data, "0:1:in 1:1:a ");
  cr_assert_eq(err.line, 2);
  bki_strbuf_clear(&found);
  bki_corpus_close(corpus);
}

static void write_packed(const char *path, bki_str content) {
  bki_sink *sink;
  cr_assert_eq(bki_sink_open(&sink, path, true, NULL), BKI_OK);
  cr_assert_eq(bki_sink_write(sink, content.data, content.size, NULL), BKI_OK);
  cr_assert_eq(bki_sink_commit(sink, NULL), BKI_OK);
}

Test(corpus, has_one_fingerprint_whatever_the_compression) {
  static const char *const names[] = {"a.csv", "a.csv.gz", "a.csv.zst"};
  char expected[33] = "";
  for (size_t i = 0; i < 3; i++) {
    const char *path = scratch_path(names[i]);
    write_packed(path, BYTES("text,label\na,b\n\nc,d\n"));
    bki_corpus *corpus;
    bki_error err;
    cr_assert_eq(open_paths(&corpus, &path, 1, &err), BKI_OK);
    bki_strbuf found = {0};
    cr_assert_eq(collect(corpus, &found, &err), BKI_OK);
    cr_assert_str_eq(found.data, "0:2:a 0:4:c ");
    char fingerprint[33];
    bki_corpus_fingerprint(corpus, fingerprint);
    cr_assert_eq(strlen(fingerprint), 32);
    cr_assert(i == 0 || strcmp(fingerprint, expected) == 0);
    strcpy(expected, fingerprint);
    bki_strbuf_clear(&found);
    bki_corpus_close(corpus);
  }
}

/* The fingerprint after n records. */
static void fingerprint_of(bki_str content, const bki_corpus_config *config, int n, char out[33]) {
  corpus_file file;
  corpus_file_open(&file, "a.jsonl", content, config);
  for (int i = 0; i < n; i++) {
    cr_assert(corpus_file_next(&file));
  }
  bki_corpus_fingerprint(file.corpus, out);
  corpus_file_close(&file);
}

Test(corpus, fingerprints_what_was_returned_and_nothing_else) {
  bki_corpus_config config = defaults();
  bki_corpus_config narrow = defaults();
  narrow.max_record_bytes = 8;
  char a[33];
  char b[33];
  fingerprint_of(BYTES("{}\n\n{\"a\": 12345}\n{}\n"), &config, 2, a);
  fingerprint_of(BYTES("{}\n{\"a\": 12345}\n"), &config, 2, b);
  cr_assert_str_eq(a, b, "blank lines and later records do not count");
  fingerprint_of(BYTES("{}\n{\"a\": 12345}\n"), &narrow, 2, b);
  cr_assert_str_eq(a, b, "bytes that are passed over count");
  fingerprint_of(BYTES("{}\n{\"a\": 12346}\n"), &narrow, 2, b);
  cr_assert_str_neq(a, b, "bytes that are passed over count");
  fingerprint_of(BYTES("{}\n{\"a\": 12345}\n"), &config, 1, b);
  cr_assert_str_neq(a, b);
}

Test(corpus, takes_a_record_of_just_the_largest_size) {
  corpus_file file;
  bki_corpus_config config = defaults();
  config.max_record_bytes = 14;
  corpus_file_open(&file, "a.jsonl", BYTES("{\"text\": \"a\"}\n{\"text\": \"ab\"}\n{\"text\": \"c\"}"), &config);
  corpus_file_expect(&file, "a", NULL, NULL);
  corpus_file_expect_bad(&file, 2, 14, "expected a record of at most 14 bytes, found a longer one");
  cr_assert(file.record.too_long);
  cr_assert_eq(file.record.raw.size, 0);
  corpus_file_expect(&file, "c", NULL, NULL);
  cr_assert_eq(file.record.line, 3);
  cr_assert_eq(file.record.byte, 29);
  corpus_file_close(&file);
}

Test(corpus, says_that_a_long_record_may_be_an_open_quote) {
  corpus_file file;
  bki_corpus_config config = defaults();
  config.max_record_bytes = 10;
  corpus_file_open(&file, "a.csv", BYTES("text\n\"abc\nabc\nabc\nabc\n"), &config);
  corpus_file_expect_bad(&file, 2, 5, "or a quote that is never closed");
  cr_assert_not(corpus_file_next(&file));
  corpus_file_close(&file);
}

/* A line of `size` bytes between two good ones, through a pipe. */
static void write_long_line(int fd, size_t size) {
  static char piece[1 << 16];
  memset(piece, 'a', sizeof piece);
  bool good = write(fd, "{\"text\": \"before\"}\n{\"text\": \"", 29) == 29;
  for (size_t n; size > 0 && good; size -= n) {
    n = size < sizeof piece ? size : sizeof piece;
    good = write(fd, piece, n) == (ssize_t)n;
  }
  good = good && write(fd, "\"}\n{\"text\": \"behind\"}\n", 22) == 22;
  _exit(good ? 0 : 1);
}

Test(corpus, passes_over_a_line_of_200_megabytes_without_holding_it) {
  const size_t size = 200u << 20;
  int ends[2];
  cr_assert_eq(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    write_long_line(ends[1], size);
  }
  close(ends[1]);
  dup2(ends[0], STDIN_FILENO);
  const char *path = "-";
  corpus_file file = {.arena = bki_arena_create()};
  cr_assert_eq(open_paths(&file.corpus, &path, 1, &file.err), BKI_OK);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const long before_kib = usage.ru_maxrss;
  corpus_file_expect(&file, "before", NULL, NULL);
  corpus_file_expect_bad(&file, 2, 19, "expected a record of at most 16777216 bytes");
  corpus_file_expect(&file, "behind", NULL, NULL);
  cr_assert_eq(file.record.line, 3);
  cr_assert_eq(file.record.byte, (int64_t)size + 19 + 13);
  cr_assert_not(corpus_file_next(&file));
  getrusage(RUSAGE_SELF, &usage);
  cr_assert_lt(usage.ru_maxrss - before_kib, 120 * 1024, "%ld KiB more than before", usage.ru_maxrss - before_kib);
  corpus_file_close(&file);
  int status;
  cr_assert_eq(waitpid(child, &status, 0), child);
  cr_assert_eq(status, 0);
}

Test(corpus, ends_at_damaged_compression) {
  const char *path = scratch_path("a.jsonl.gz");
  write_packed(path, BYTES("{\"text\": \"a\"}\n{\"text\": \"b\"}\n"));
  bki_strbuf packed = scratch_read(path);
  scratch_write(path, packed.data, packed.size - 4);
  bki_corpus *corpus;
  bki_error err;
  cr_assert_eq(open_paths(&corpus, &path, 1, &err), BKI_OK);
  bki_strbuf found = {0};
  cr_assert_eq(collect(corpus, &found, &err), BKI_E_DATA);
  cr_assert_not_null(strstr(err.message, "truncated gzip data"), "%s", err.message);
  cr_assert_str_eq(err.file, path);
  cr_assert_eq(err.byte, 28);
  cr_assert_eq(collect(corpus, &found, &err), BKI_E_DATA, "the error stays");
  bki_strbuf_clear(&found);
  bki_strbuf_clear(&packed);
  bki_corpus_close(corpus);
}

/* Records of all sizes, some over several windows, with and without quotes. */
static void make_records(bki_strbuf *csv, int n) {
  unsigned state = 7;
  for (int i = 0; i < n; i++) {
    state = state * 1664525u + 1013904223u;
    unsigned size = (state >> 8) % (i % 50 == 0 ? 700000 : 3000);
    bki_strbuf_format(csv, "%d,\"", i);
    for (unsigned k = 0; k < size; k += 10) {
      bki_strbuf_add_text(csv, k % 70 == 0 ? "\"\"a\nb,cde\n" : "abcdefghij");
    }
    bki_strbuf_format(csv, "%u\"%s\n", size, i % 3 == 0 ? "\r" : "");
  }
}

Test(corpus, returns_all_bytes_of_records_across_windows) {
  bki_strbuf csv = {0};
  make_records(&csv, 1000);
  bki_corpus_config config = defaults();
  config.id_field = "1";
  config.text_field = "2";
  corpus_file file;
  corpus_file_open(&file, "a.csv", bki_strbuf_str(&csv), &config);
  size_t at = 0;
  int64_t line = 1;
  for (int i = 0; i < 1000; i++) {
    cr_assert(corpus_file_next(&file));
    bki_str raw = file.record.raw;
    cr_assert_eq(file.record.byte, (int64_t)at);
    cr_assert_eq(file.record.line, line);
    cr_assert(at + raw.size <= csv.size && memcmp(raw.data, csv.data + at, raw.size) == 0);
    for (size_t k = 0; k < raw.size; k++) {
      line += raw.data[k] == '\n';
    }
    at += raw.size;
    cr_assert_eq(corpus_file_parse(&file), BKI_OK, "%s", file.err.message);
    cr_assert_eq(atoi(file.fields.id.data), i);
    bki_arena_reset(file.arena);
  }
  cr_assert_not(corpus_file_next(&file));
  cr_assert_eq(at, csv.size);
  corpus_file_close(&file);
  bki_strbuf_clear(&csv);
}

typedef struct parser {
  const bki_corpus *corpus;
  const bki_raw_record *records;
  size_t n;
  pthread_t thread;
  size_t n_good;
} parser;

static void *parse_all(void *context) {
  parser *p = context;
  bki_arena *arena = bki_arena_create();
  for (size_t i = 0; i < p->n; i++) {
    bki_fields fields;
    p->n_good += bki_corpus_parse(p->corpus, &p->records[i], arena, &fields, NULL) == BKI_OK;
    bki_arena_reset(arena);
  }
  bki_arena_destroy(arena);
  return NULL;
}

Test(corpus, parses_on_several_threads_at_once) {
  enum { N = 2000, THREADS = 4 };
  bki_strbuf lines = {0};
  for (int i = 0; i < N; i++) {
    bki_strbuf_format(&lines, "{\"text\": \"a %d\", \"id\": %d, \"x\": {\"y\": [%d]}%s\n", i, i, i,
                      i % 4 == 0 ? "" : "}");
  }
  bki_corpus_config config = defaults();
  corpus_file file;
  corpus_file_open(&file, "a.jsonl", bki_strbuf_str(&lines), &config);
  bki_raw_record *records = malloc(N * sizeof *records);
  for (size_t i = 0; i < N; i++) {
    cr_assert(corpus_file_next(&file));
    records[i] = file.record;
    records[i].raw.data = lines.data + file.record.byte;
  }
  parser parsers[THREADS];
  for (size_t i = 0; i < THREADS; i++) {
    parsers[i] = (parser){.corpus = file.corpus, .records = records, .n = N};
    cr_assert_eq(pthread_create(&parsers[i].thread, NULL, parse_all, &parsers[i]), 0);
  }
  for (size_t i = 0; i < THREADS; i++) {
    pthread_join(parsers[i].thread, NULL);
    cr_assert_eq(parsers[i].n_good, N - N / 4);
  }
  free(records);
  corpus_file_close(&file);
  bki_strbuf_clear(&lines);
}
