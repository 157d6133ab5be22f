"""The network and its arithmetic: layers, optimizer, sampling, random numbers, the compiled kernel."""
