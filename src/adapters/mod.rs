//! Who provides the ports. Each file names one outside thing.
