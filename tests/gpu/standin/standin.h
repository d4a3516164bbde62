/* A stand-in for libcudart, libcublasLt and libcudnn that is linked in their place and computes on the host. It knows
 * the functions that the CUDA backend uses and no others, and it is stricter than the libraries: what would be a
 * mistake on a device (a pageable copy, memory of another device, a destroyed handle, the default stream, a write out
 * of bounds) aborts with a message on standard error.
 *
 * Streams are lazy: work runs when a synchronisation waits for it, and only what that one needs, so that a missing
 * event or synchronisation shows as NaN or old data. Device memory begins as NaN (0xff bytes).
 *
 * Every function may be called from any host thread; one call runs at a time. */
#ifndef BKI_TESTS_STANDIN_H
#define BKI_TESTS_STANDIN_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  STANDIN_OLD_DRIVER = -1, /* in place of a number of devices: the driver is too old for the runtime */
};

/* A machine anew: devices with this much memory each (0: 1 GiB), late scheduling, no failures, no calls, nothing
 * allocated. Before the first call it is as after standin_reset(1, 0). CUDA_VISIBLE_DEVICES is read at the first use
 * afterwards. No other host thread may be in a call. */
void standin_reset(int n_devices, size_t memory_bytes);

/* Of a device that is visible, until the reset; 9.0 otherwise. All else of the device stays as it is. */
void standin_set_capability(int device, int major, int minor);

/* The nth call from now on (1: the next) of a function returns this status of its library and does nothing else, but
 * that what frees or destroys still does so. "launch" is the launch of a kernel. A status that CUDA says breaks the
 * context (launch failure, illegal address, ...) is one that the device then gives for every call until standin_reset,
 * and a launch that fails with one succeeds: the failure comes with the synchronisation. More than one may be waiting.
 */
void standin_fail(const char *function, int nth, int status);

/* How often a function was called since the reset, failed calls too; "launch" for kernels. */
int standin_calls(const char *function);

/* Late (the default): work runs when something waits for it. Early: at once, as far as events allow. Code that is right
 * gives the same results both ways. */
typedef enum standin_schedule { STANDIN_LATE, STANDIN_EARLY } standin_schedule;
void standin_set_schedule(standin_schedule schedule);

/* Objects not yet freed or destroyed: device and pinned memory, streams, events, handles and descriptors. Each kind is
 * told on standard error. Checks the surroundings of all memory too. */
int standin_leaks(void);

/* The largest sum of device memory since the reset, of the device where it was largest. */
size_t standin_peak_memory(void);

/* The heuristic of cublasLt has no algorithm for products of this cublasComputeType_t, until the reset: it finds none,
 * or says of what it found that it cannot be used. */
typedef enum standin_refusal { STANDIN_NONE_FOUND, STANDIN_UNUSABLE } standin_refusal;
void standin_refuse_products(int compute, standin_refusal how);

/* The most pieces of work in a row that one stream was given, since the last call of this or the reset. The driver lets
 * about a thousand launches wait: streams that are filled one after the other hardly work side by side. */
size_t standin_longest_burst(void);

/* Rows of the smallest and of the largest forward pass of cuDNN since the reset; 0: there was none. */
void standin_rnn_rows(int *least, int *most);

/* Init of the test suites that run on a GPU too: here there always is one. */
static inline void standin_begin(void) {}
/* Whether it is a real one, which takes more work. */
static inline int standin_is_device(void) {
  return 0;
}

#ifdef __cplusplus
}
#endif

#endif
