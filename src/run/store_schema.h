/* The tables of a store. docs/store.md describes them for people; a change here is a new schema version. */
#ifndef BKI_RUN_STORE_SCHEMA_H
#define BKI_RUN_STORE_SCHEMA_H

#include "store_internal.h"

enum {
  BKI_STORE_APPLICATION_ID = 0x424b4930, /* "BKI0" */
  BKI_STORE_SCHEMA_VERSION = 1,
};

/* Makes tables, index and views, and marks the file as a store. Inside a transaction. */
bki_status bki_store_schema_create(bki_store *store, bki_error *err);

/* Whether the database has nothing in it yet. */
bki_status bki_store_schema_absent(bki_store *store, bool *absent, bki_error *err);

/* BKI_E_DATA unless it is a store of a known version whose tables are exactly those of bki_store_schema_create: a file
 * from elsewhere could call something else `sample`. Objects that somebody added are let be. */
bki_status bki_store_schema_check(bki_store *store, bki_error *err);

#endif
