/* Messages of the library. It never prints: it calls back. */
#ifndef BKI_LOG_H
#define BKI_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bki_log_level { BKI_LOG_WARNING, BKI_LOG_INFO } bki_log_level;

/* `message` is one line without its end, valid during the call. Called from the thread that called the library. */
typedef void (*bki_log_fn)(void *user, bki_log_level level, const char *message);

typedef struct bki_logger {
  bki_log_fn fn; /* NULL: silence */
  void *user;
} bki_logger;

#ifdef __cplusplus
}
#endif

#endif
