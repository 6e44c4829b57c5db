"""What every other room stands on: the machine, its files, and the idea of a Change."""
