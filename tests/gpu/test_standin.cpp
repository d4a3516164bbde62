// The stand-in for libcudart, libcublasLt and libcudnn.
#include <criterion/criterion.h>

#include "standin.h"

Test(standin, begins_without_objects) {
  cr_assert_eq(standin_leaks(), 0);
}
