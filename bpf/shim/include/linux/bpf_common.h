/* Part of a tree that stands in for the kernel's headers: bcc wants the file, sigtrace needs nothing of it. */
