// All that a program needs to use trained models: load_classifier(), load_detector(), load_writer() and their like take
// a run folder, a weights file or a published folder. To train a network of one's own: hadal/train/fit.h.
#pragma once
#include "hadal/io/draw.h"
#include "hadal/io/image.h"
#include "hadal/trained/open.h"
#include "hadal/trained/series/classifier.h"
#include "hadal/trained/series/forecaster.h"
#include "hadal/trained/text/classifier.h"
#include "hadal/trained/text/translator.h"
#include "hadal/trained/text/writer.h"
#include "hadal/trained/vision/classifier.h"
#include "hadal/trained/vision/detector.h"
#include "hadal/trained/vision/pose.h"
