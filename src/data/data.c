/* placeholder until the layer lands */ typedef int bki_data_empty;
