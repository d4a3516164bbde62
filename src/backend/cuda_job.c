/* Cutting the texts of a call into groups. */
#include <stdlib.h>

#include "array.h"
#include "cuda.h"

bki_status bki_cuda_job_plan(bki_cuda_job *job, size_t n, size_t max_slots, bki_error *err) {
  bki_cuda_job_clear(job);
  job->order = bki_array_create(n, sizeof *job->order);
  job->groups = bki_array_create(n, sizeof *job->groups);
  if (job->order == NULL || job->groups == NULL) {
    return bki_fail_memory(err);
  }
  bki_plan_order(job->order, job->sequences, n);
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
