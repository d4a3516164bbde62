#include <stdio.h>

#include <bki/bki.h>

int main(void) {
  printf("bki %s\n", bki_version());
  return 0;
}
