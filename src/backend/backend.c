/* placeholder until the layer lands */ typedef int bki_backend_empty;
