/* The tables of a store. docs/store.md describes them for people; a change here is a new schema version. */
#ifndef BKI_RUN_STORE_SCHEMA_H
#define BKI_RUN_STORE_SCHEMA_H

#include "store_internal.h"

enum {
  BKI_STORE_APPLICATION_ID = 0x424b4930, /* "BKI0" */
  BKI_STORE_SCHEMA_VERSION = 2,          /* 2: evidence, finding, flagged */
};

/* Makes tables, index and views, and marks the file as a store. Inside a transaction. */
bki_status bki_store_schema_create(bki_store *store, bki_error *err);

/* Whether the database has nothing in it yet. */
bki_status bki_store_schema_absent(bki_store *store, bool *absent, bki_error *err);

/* BKI_E_DATA unless it is a store of a known version whose tables are exactly those of that version: a file from
 * elsewhere could call something else `sample`. Objects that somebody added are let be. */
bki_status bki_store_schema_check(bki_store *store, int64_t *version, bki_error *err);

/* Adds what came after `version`, which was checked, and commits: inside a transaction that changed nothing else, with
 * the writer's lock, which is held again when the call returns BKI_OK. */
bki_status bki_store_schema_migrate(bki_store *store, int64_t version, bki_error *err);

#endif
