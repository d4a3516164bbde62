/* Which kernels this machine runs. */
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "cpu.h"
#include "fail.h"

typedef struct isa_entry {
  bki_isa isa;
  const bki_cpu_kernels *kernels;
  bool (*here)(void);
  const char *fp32_name; /* NULL: not for this precision */
  const char *bf16_name;
} isa_entry;

static bool always(void) {
  return true;
}

#if defined(__x86_64__)
static bool has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
static bool has_avx512(void) {
  return __builtin_cpu_supports("avx512f");
}
static bool has_avx512bf16(void) {
  enum { AVX512_BF16 = 1 << 5 };
  unsigned a;
  unsigned b;
  unsigned c;
  unsigned d;
  return has_avx512() && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & AVX512_BF16) != 0;
}
/* The kernel hands out tile state on request only, for the whole process. */
static bool has_amx(void) {
  enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
  unsigned a;
  unsigned b;
  unsigned c;
  unsigned d;
  return has_avx512() && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & AMX_BF16) != 0 && (d & AMX_TILE) != 0 &&
         syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#endif

/* The best first. */
static const isa_entry entries[] = {
#if defined(__x86_64__)
    {BKI_ISA_AMX, &bki_cpu_kernels_amx, has_amx, NULL, "amx"},
    {BKI_ISA_AVX512BF16, &bki_cpu_kernels_avx512bf16, has_avx512bf16, NULL, "avx512bf16"},
    {BKI_ISA_AVX512, &bki_cpu_kernels_avx512, has_avx512, "avx512", "avx512 (bf16 emulated)"},
    {BKI_ISA_AVX2, &bki_cpu_kernels_avx2, has_avx2, "avx2", "avx2 (bf16 emulated)"},
#endif
    {BKI_ISA_PORTABLE, &bki_cpu_kernels_portable, always, "portable", "portable (bf16 emulated)"},
};

bki_status bki_cpu_choose(const bki_cpu_kernels **out, const char **name, bki_isa isa, bki_precision precision,
                          bki_error *err) {
  if ((isa == BKI_ISA_AMX || isa == BKI_ISA_AVX512BF16) && precision == BKI_PRECISION_FP32) {
    return bki_fail(err, BKI_E_USAGE, "isa %s computes in bf16 only: ask for precision bf16, or another isa",
                    bki_isa_name(isa));
  }
  for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
    const isa_entry *entry = &entries[i];
    const char *entry_name = precision == BKI_PRECISION_BF16 ? entry->bf16_name : entry->fp32_name;
    if (entry_name == NULL || !entry->here() || (isa != BKI_ISA_AUTO && isa != entry->isa)) {
      continue;
    }
    *out = entry->kernels;
    *name = entry_name;
    return BKI_OK;
  }
  return bki_fail(err, BKI_E_DEVICE, "this CPU or this build does not have the instruction set %s", bki_isa_name(isa));
}
