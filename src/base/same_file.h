/* Whether an output would overwrite an input. */
#ifndef BKI_BASE_SAME_FILE_H
#define BKI_BASE_SAME_FILE_H

#include <stdbool.h>

/* Whether two paths name one file, through links too, whether it exists or not. "-" is only itself. */
bool bki_same_file(const char *a, const char *b);

#endif
