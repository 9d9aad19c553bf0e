"""Everything that talks to the kernel's BPF side: offsets, compilation, loading, the ring and the counts."""
