"""raptors against its peers: one table of workloads and sizes, in one process, in turns."""
