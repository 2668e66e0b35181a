"""What is below every room and knows nothing of images: files, digests, memory, cores, Ctrl-C, progress."""
