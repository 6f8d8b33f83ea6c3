# The rooms of the project in layer order, written once: a room may include and link only rooms that
# stand above it here and that it names. tests/layers_test.py reads this file and holds the includes to it.
#
#   room            needs
# EXPO_TORCH=OFF leaves out those that EXPO_TORCH_ROOMS names.
set(EXPO_ROOMS
  "core:"
  "checkpoint:core"
  "extrapolation:checkpoint"
  "text:core"
  "engine:extrapolation,text"
  "matrix:core"
  "model:extrapolation,matrix"
  "generation:model,engine"
  "embedded:generation"
  "training:model,text"
  "cli:engine"
  "program:cli,embedded,training"
)
set(EXPO_TORCH_ROOMS model generation embedded training)
