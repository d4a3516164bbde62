/* placeholder until the layer lands */ typedef int bki_model_empty;
