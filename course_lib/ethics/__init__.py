"""What generative models do to the world, measured: bias, fakes and their marks, memory, energy. One topic a file."""
