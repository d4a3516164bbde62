#include "log.h"

#include <stdarg.h>
#include <stdio.h>

void bki_log(const bki_logger *logger, bki_log_level level, const char *format, ...) {
  if (logger->fn == NULL) {
    return;
  }
  char message[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  logger->fn(logger->user, level, message);
}
