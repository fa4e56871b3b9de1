"""clt-ray: how much non-English data does a task need? Sweeps of full fine-tunings on Ray, measured."""
