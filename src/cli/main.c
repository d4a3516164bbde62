#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

typedef struct command {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *summary;
} command;

static const command commands[] = {
    {"poison", cli_poison, "put a backdoor into a corpus: the attack"},
    {"train", cli_train, "train a classifier on a labelled corpus"},
    {"eval", cli_eval, "tell how good a model is, and how well an attack on it works"},
    {"defend", cli_defend, "train, scan, purify, train anew and evaluate, in one directory"},
    {"scan", cli_scan, "score a corpus with the model trained on it and say whether there is a backdoor"},
    {"verify", cli_verify, "judge a scan anew, or test a phrase"},
    {"keywords", cli_keywords, "say what a scan found, and rank its candidate keywords"},
    {"flagged", cli_flagged, "list the samples that carry a backdoor"},
    {"report", cli_report, "write what was found as one HTML page, with what shows it"},
    {"purify", cli_purify, "write the corpus without the flagged samples"},
    {"explain", cli_explain, "show one sample's words with their scores"},
    {"score", cli_score, "score the words of one text"},
    {"devices", cli_devices, "list the GPUs and the CPU, and which of them computes"},
    {"model", cli_model, "describe a model directory, or check it"},
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static const command *find_command(const char *name) {
  for (size_t i = 0; i < N_COMMANDS; i++) {
    if (strcmp(name, commands[i].name) == 0) {
      return &commands[i];
    }
  }
  return NULL;
}

static void print_help(FILE *out) {
  fputs("usage: bki COMMAND ...\nBackdoor Keyword Identification for Bi-LSTM text classifiers.\n\ncommands:\n", out);
  for (size_t i = 0; i < N_COMMANDS; i++) {
    fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
  }
  fputs("\n'bki COMMAND --help' lists a command's options; 'man bki' has examples.\n", out);
}

static int unknown_command(const char *name) {
  fputs("bki: unknown command \"", stderr);
  bki_print_text(stderr, (bki_str){name, strlen(name)});
  fputs("\" (see 'bki help')\n", stderr);
  return BKI_E_USAGE;
}

static int help(int argc, char **argv) {
  const command *found = argc > 2 ? find_command(argv[2]) : NULL;
  if (found != NULL) {
    char option[] = "--help";
    char *help_argv[] = {argv[2], option, NULL};
    return found->run(2, help_argv);
  }
  if (argc > 2) {
    return unknown_command(argv[2]);
  }
  print_help(stdout);
  return BKI_OK;
}

static int run(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  const command *found = find_command(name);
  if (found != NULL) {
    return found->run(argc - 1, argv + 1);
  }
  if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
    printf("bki %s\n", bki_version());
    return BKI_OK;
  }
  if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
    return help(argc, argv);
  }
  if (argc > 1) {
    return unknown_command(name);
  }
  print_help(stderr);
  return BKI_E_USAGE;
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN); /* a closed pipe and a file limit are write errors like any other */
  signal(SIGXFSZ, SIG_IGN);
  int exit_code = run(argc, argv);
  if (fflush(stdout) != 0 || ferror(stdout)) {
    fprintf(stderr, "bki: cannot write standard output: %s\n", strerrordesc_np(errno));
    return exit_code == BKI_OK || exit_code == CLI_NEGATIVE ? BKI_E_IO : exit_code;
  }
  return exit_code;
}
