/* placeholder until the layer lands */ typedef int bki_detect_empty;
