"""What tests of several folders share: small sweeps, made-up results, clusters, servers, and processes to kill."""
