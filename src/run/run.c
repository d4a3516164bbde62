/* placeholder until the layer lands */ typedef int bki_run_empty;
