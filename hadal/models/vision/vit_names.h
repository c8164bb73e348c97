// What other libraries call the parameters of a Vision Transformer.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// Weights under the names of timm's VisionTransformer, of Hugging Face's ViTForImageClassification or ViTModel (files,
/// and modules since transformers 5) or of torchvision before 0.13 -> under torchvision's, which are Hadal's; separate
/// query, key and value are joined. Other names stay as they are. Throws Error when one of the three is missing or
/// misshapen.
TensorsByName torchvision_vit_names(const TensorsByName& weights);

}  // namespace hadal
