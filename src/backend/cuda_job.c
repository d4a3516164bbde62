/* Cutting the texts of a call into groups. */
#include <stdlib.h>

#include "array.h"
#include "cuda.h"

/* Longest first; the index makes the order total. */
static int compare_lengths(const void *a, const void *b, void *sequences) {
  const size_t i = *(const size_t *)a;
  const size_t j = *(const size_t *)b;
  const int32_t length_i = ((const bki_sequence *)sequences)[i].length;
  const int32_t length_j = ((const bki_sequence *)sequences)[j].length;
  if (length_i != length_j) {
    return length_i > length_j ? -1 : 1;
  }
  return i < j ? -1 : i > j;
}

bki_status bki_cuda_job_plan(bki_cuda_job *job, size_t n, size_t max_slots, bki_error *err) {
  bki_cuda_job_clear(job);
  job->order = bki_array_create(n, sizeof *job->order);
  job->groups = bki_array_create(n, sizeof *job->groups);
  if (job->order == NULL || job->groups == NULL) {
    return bki_fail_memory(err);
  }
  for (size_t i = 0; i < n; i++) {
    job->order[i] = i;
  }
  qsort_r(job->order, n, sizeof *job->order, compare_lengths, (void *)(uintptr_t)job->sequences);
  for (size_t i = 0; i < n; i++) {
    const int32_t length = job->sequences[job->order[i]].length;
    const size_t slots = bki_plan_slots(job->extent, length);
    bki_cuda_group *group = job->n_groups == 0 ? NULL : &job->groups[job->n_groups - 1];
    if (group == NULL || group->n_slots + slots > max_slots) {
      group = &job->groups[job->n_groups++];
      *group = (bki_cuda_group){.first = i};
    }
    group->n++;
    group->n_slots += slots;
    group->n_words += (size_t)length;
  }
  atomic_store(&job->next, 0);
  atomic_store(&job->stop, false);
  return BKI_OK;
}

void bki_cuda_job_clear(bki_cuda_job *job) {
  free(job->order);
  free(job->groups);
  job->order = NULL;
  job->groups = NULL;
  job->n_groups = 0;
}
