"""The commands of `charloom`: a module for each command or group of commands. None imports another."""
