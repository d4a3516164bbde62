/* Somebody else's program. It calls into the deepest layers, so that a static link needs every dependency. */
#include <bki/bki.h>
#include <string.h>

int main(void) {
  bki_error err;
  bki_model *model = NULL;
  bki_store *store = NULL;
  bool refused = bki_model_load(&model, "/nonexistent", &err) == BKI_E_IO &&
                 bki_store_open(&store, "/nonexistent", &err) == BKI_E_IO;
  return refused && strcmp(bki_version(), BKI_VERSION_STRING) == 0 ? 0 : 1;
}
