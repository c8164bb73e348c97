// The settings of a [yolo] or [region] layer.
#pragma once
#include "hadal/models/detection/darknet_plan.h"

namespace hadal {

/// Throws FileError with the line where anchors, mask and classes do not make sense or a kind of loss is not known.
DarknetHead read_darknet_head(const CfgSection& section);

}  // namespace hadal
