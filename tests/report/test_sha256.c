#include <string.h>

#include <criterion/criterion.h>

#include "sha256.h"

/* Base64 of the digests of FIPS 180-4's examples, as `sha256sum | xxd -r -p | base64` writes them. */
static void expect(const char *text, size_t repeat, const char *digest) {
  char data[1024] = "";
  char out[BKI_SHA256_BASE64_SIZE];
  for (size_t i = 0; i < repeat; i++) {
    strcat(data, text);
  }
  cr_expect_str_eq(bki_sha256_base64(out, data, strlen(data)), digest, "%zu times '%s'", repeat, text);
}

Test(sha256, gives_the_digests_of_the_standard) {
  expect("", 1, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  expect("abc", 1, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
  expect("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, "JI1qYdIGOLjlwCaTDD5gOaM85Flk/yFn9uzt1BnbBsE=");
}

/* The padding takes a block of its own from 56 bytes on. */
Test(sha256, pads_texts_of_every_length_about_a_block) {
  expect("a", 55, "n0OQ+NMMLdkuyfCVtl4rmumwqSWlJY4kHJ8ekQ9zQxg=");
  expect("a", 56, "s1Q5pKxvCUi21vnjxq8PX1kM4g8b3nCQ73lwaG7Gc4o=");
  expect("a", 63, "fT50oF19sVvOStnsBljqmOPwbu7PFrTG//LaRX3cLzQ=");
  expect("a", 64, "/+BU/nrgy23GXDr5th1SCfQ5hR20PQulmXM33xVGaOs=");
  expect("a", 119, "MeulHDE6XAgiat8Y1KNZz9/Y0ugWsT9K+VL36mWE3Ps=");
  expect("a", 120, "Lz0zVDLHC1gK8Ojhs2dKfAINaDql9zqq7f3FWvkEwhw=");
  expect("a", 1000, "Qe3s5C1j6Nm/UVqbppMuHCDLyfWl0TRkWttdsblzfqM=");
}
