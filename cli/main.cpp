#include "hadal/core/error.h"
int main() { return 0; }
