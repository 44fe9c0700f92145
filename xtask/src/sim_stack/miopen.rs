//! MIOpen: convolutions by its own `MIOpenDriver`, which compares them with the processor's, solver by solver.
