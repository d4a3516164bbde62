/* Visibility of the library's symbols: everything else is hidden. */
#ifndef BKI_EXPORT_H
#define BKI_EXPORT_H

#if defined(__GNUC__)
#define BKI_API __attribute__((visibility("default")))
#else
#define BKI_API
#endif

#endif
