// How the C library keeps memory between steps.
#pragma once

namespace hadal {

/// Lets freed blocks stay with the process instead of going back to the system, so that a training step does not fault
/// its activations in anew. Call it once, when the program starts; nothing where the C library is not glibc.
void tune_allocator();

/// Gives the system back what is free of that: work of other shapes has left holes that the next steps do not fill.
void trim_memory();

/// LibTorch ends the program where a tensor on the CPU finds no memory; with this it throws Error, which says how much
/// was wanted. Call it once, before the first tensor.
void throw_when_out_of_memory();

}  // namespace hadal
