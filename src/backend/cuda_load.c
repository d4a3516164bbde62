#include "cuda_load.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <bki/version.h>

#include "fail.h"

enum { MIN_MAJOR = 7, MIN_MINOR = 5 }; /* compute capability that the kernels are built for, and newer */

#define DRIVER_FILE "libcuda.so.1"

/* What the one attempt came to. */
static struct {
  bki_cuda_access access;
  bki_status status;
  bki_error err;
} loaded;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const char *visible_devices(void) {
  return getenv("CUDA_VISIBLE_DEVICES");
}

/* The linker says "FILE: why"; FILE is what it looked for, or the path that it found. */
static bki_status open_error(const char *text, bki_error *err) {
  static const char absent[] = "cannot open shared object file: No such file or directory";
  const bool missing = strstr(text, absent) != NULL;
  const bool itself = strncmp(text, BKI_CUDA_MODULE_FILE, strlen(BKI_CUDA_MODULE_FILE)) == 0;
  if (missing && itself) {
    return bki_fail(err, BKI_E_DEVICE, "the CUDA module of bki is not installed (%s)", text);
  }
  return bki_fail(err, BKI_E_DEVICE,
                  missing ? "a library that the CUDA module of bki needs is missing (%s)"
                          : "the CUDA module of bki cannot be loaded (%s)",
                  text);
}

/* Without a driver the module, which brings large libraries along, is not even looked for. */
static bki_status find_driver(bki_error *err) {
  const char *visible = visible_devices();
  if (visible != NULL && visible[0] == '\0') {
    return bki_fail(err, BKI_E_DEVICE, "CUDA_VISIBLE_DEVICES is set and empty: it hides every GPU");
  }
  if (dlopen(DRIVER_FILE, RTLD_LAZY | RTLD_LOCAL) == NULL) {
    return bki_fail(err, BKI_E_DEVICE, "no NVIDIA driver is installed (%s)", dlerror());
  }
  return BKI_OK;
}

static bki_status open_module(const bki_cuda_module **out, bki_error *err) {
  void *library = dlopen(BKI_CUDA_MODULE_FILE, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    return open_error(dlerror(), err);
  }
  const bki_cuda_module *(*get)(void);
  void *symbol = dlsym(library, BKI_CUDA_MODULE_SYMBOL);
  if (symbol == NULL) {
    return bki_fail(err, BKI_E_DEVICE, "%s is no CUDA module of bki (%s)", BKI_CUDA_MODULE_FILE, dlerror());
  }
  memcpy(&get, &symbol, sizeof get); /* ISO C has no cast from an object's address to a function's */
  const bki_cuda_module *module = get();
  if (strcmp(module->version, bki_version()) != 0) {
    return bki_fail(err, BKI_E_DEVICE, "the CUDA module of bki is of another version: expected %s, found %s",
                    bki_version(), module->version);
  }
  *out = module;
  return BKI_OK;
}

/* The devices as they are now. */
static bki_status list_devices(const bki_cuda_module *module, bki_device **out, size_t *n, bki_error *err) {
  bki_device *devices = NULL;
  BKI_TRY(module->list_devices(&devices, n, err));
  if (*n == 0) {
    free(devices);
    return bki_fail(err, BKI_E_DEVICE, "CUDA lists none");
  }
  *out = devices;
  return BKI_OK;
}

static bki_status find_devices(const bki_cuda_module *module, bki_device **out, size_t *n, bki_error *err) {
  const char *visible = visible_devices();
  bki_error why;
  const bki_status status = list_devices(module, out, n, &why);
  if (status == BKI_OK) {
    return BKI_OK;
  }
  if (status != BKI_E_DEVICE) {
    return bki_fail(err, status, "%s", why.message);
  }
  if (visible == NULL) {
    return bki_fail(err, BKI_E_DEVICE, "no GPU can be used (%s)", why.message);
  }
  char quoted[BKI_QUOTE_SIZE];
  return bki_fail(err, BKI_E_DEVICE, "CUDA_VISIBLE_DEVICES=%s leaves no GPU that can be used (%s)",
                  bki_quote(quoted, (bki_str){visible, strlen(visible)}), why.message);
}

static bki_status load(bki_cuda_access *access, bki_error *err) {
  bki_device *devices = NULL;
  BKI_TRY(find_driver(err));
  BKI_TRY(open_module(&access->module, err));
  BKI_TRY(find_devices(access->module, &devices, &access->n_devices, err));
  access->devices = devices;
  return BKI_OK;
}

bki_status bki_devices_list(bki_device **out, size_t *n, bki_error *err) {
  const bki_cuda_access *cuda;
  BKI_TRY(bki_cuda_load(&cuda, err));
  BKI_TRY(find_devices(cuda->module, out, n, err));
  for (size_t i = 0; i < *n; i++) {
    (*out)[i].free_bytes = cuda->module->free_memory((*out)[i].ordinal);
  }
  return BKI_OK;
}

static void load_once(void) {
  loaded.status = load(&loaded.access, &loaded.err);
}

bki_status bki_cuda_load(const bki_cuda_access **out, bki_error *err) {
  pthread_once(&once, load_once);
  if (loaded.status != BKI_OK) {
    return bki_fail(err, loaded.status, "%s", loaded.err.message);
  }
  *out = &loaded.access;
  return BKI_OK;
}

bki_status bki_cuda_check_device(const bki_device *device, bki_error *err) {
  if (device->major > MIN_MAJOR || (device->major == MIN_MAJOR && device->minor >= MIN_MINOR)) {
    return BKI_OK;
  }
  return bki_fail(err, BKI_E_DEVICE, "GPU %d (%s): expected compute capability %d.%d or newer, found %d.%d",
                  device->ordinal, device->name, MIN_MAJOR, MIN_MINOR, device->major, device->minor);
}

bki_status bki_cuda_first_device(const bki_cuda_access *cuda, int32_t *out, bki_error *err) {
  for (size_t i = 0; i < cuda->n_devices; i++) {
    if (bki_cuda_check_device(&cuda->devices[i], NULL) == BKI_OK) {
      *out = cuda->devices[i].ordinal;
      return BKI_OK;
    }
  }
  return bki_cuda_check_device(&cuda->devices[0], err);
}
