"""The interface to BPF: offsets, compilation, loading, the ring and the counts."""
