#include "expo/extrapolation/plan/tensor_groups.h"

#include <gtest/gtest.h>

namespace expo {
namespace {

struct Case {
  const char* name;
  const char* kind;
  const char* layer;  ///< as layer_label says
  bool is_matrix = true;
};

class TensorGroups : public testing::TestWithParam<Case> {};

TEST_P(TensorGroups, AreToldFromTheName) {
  const TensorGroup group = group_of(GetParam().name);
  EXPECT_EQ(kind_label(group), GetParam().kind) << GetParam().name;
  EXPECT_EQ(layer_label(group), GetParam().layer) << GetParam().name;
  EXPECT_EQ(group.is_matrix, GetParam().is_matrix) << GetParam().name;
}

INSTANTIATE_TEST_SUITE_P(
    Llama, TensorGroups,
    testing::Values(Case{"model.embed_tokens.weight", "embedding", "embedding"},
                    Case{"model.layers.0.self_attn.q_proj.weight", "attention.q", "layer 0"},
                    Case{"model.layers.31.self_attn.k_proj.weight", "attention.k", "layer 31"},
                    Case{"model.layers.3.self_attn.v_proj.bias", "attention.v", "layer 3", false},
                    Case{"model.layers.3.self_attn.o_proj.weight", "attention.o", "layer 3"},
                    Case{"model.layers.3.self_attn.qkv_proj.weight", "attention.qkv", "layer 3"},
                    Case{"model.layers.3.self_attn.q_norm.weight", "norm", "layer 3", false},
                    Case{"model.layers.3.mlp.gate_proj.weight", "mlp.gate", "layer 3"},
                    Case{"model.layers.3.mlp.up_proj.weight", "mlp.up", "layer 3"},
                    Case{"model.layers.3.mlp.gate_up_proj.weight", "mlp.gate_up", "layer 3"},
                    Case{"model.layers.3.mlp.down_proj.weight", "mlp.down", "layer 3"},
                    Case{"model.layers.3.input_layernorm.weight", "norm", "layer 3", false},
                    Case{"model.norm.weight", "norm", "norm", false},
                    Case{"lm_head.weight", "head", "head"}));

INSTANTIATE_TEST_SUITE_P(
    Experts, TensorGroups,
    testing::Values(
        Case{"model.layers.2.block_sparse_moe.gate.weight", "router", "layer 2"},
        Case{"model.layers.2.block_sparse_moe.experts.5.w1.weight", "mlp.gate", "layer 2"},
        Case{"model.layers.2.block_sparse_moe.experts.5.w2.weight", "mlp.down", "layer 2"},
        Case{"model.layers.2.block_sparse_moe.experts.5.w3.weight", "mlp.up", "layer 2"},
        Case{"model.layers.2.mlp.gate.weight", "router", "layer 2"},
        Case{"model.layers.2.mlp.experts.7.down_proj.weight", "mlp.down", "layer 2"}));

INSTANTIATE_TEST_SUITE_P(
    Gpt, TensorGroups,
    testing::Values(Case{"transformer.wte.weight", "embedding", "embedding"},
                    Case{"wpe.weight", "embedding", "embedding"},
                    Case{"transformer.h.4.attn.c_attn.weight", "attention.qkv", "layer 4"},
                    Case{"transformer.h.4.attn.c_proj.weight", "attention.o", "layer 4"},
                    Case{"transformer.h.4.mlp.c_fc.weight", "mlp.up", "layer 4"},
                    Case{"transformer.h.4.mlp.c_proj.weight", "mlp.down", "layer 4"},
                    Case{"transformer.h.4.ln_1.bias", "norm", "layer 4", false},
                    Case{"transformer.ln_f.weight", "norm", "norm", false},
                    Case{"gpt_neox.embed_in.weight", "embedding", "embedding"},
                    Case{"gpt_neox.layers.1.attention.query_key_value.weight", "attention.qkv",
                         "layer 1"},
                    Case{"gpt_neox.layers.1.attention.dense.weight", "attention.o", "layer 1"},
                    Case{"gpt_neox.layers.1.mlp.dense_h_to_4h.weight", "mlp.up", "layer 1"},
                    Case{"gpt_neox.layers.1.mlp.dense_4h_to_h.bias", "mlp.down", "layer 1", false},
                    Case{"gpt_neox.final_layer_norm.weight", "norm", "norm", false},
                    Case{"embed_out.weight", "head", "head"}));

INSTANTIATE_TEST_SUITE_P(Gguf, TensorGroups,
                         testing::Values(Case{"token_embd.weight", "embedding", "embedding"},
                                         Case{"blk.7.attn_q.weight", "attention.q", "layer 7"},
                                         Case{"blk.7.attn_output.weight", "attention.o", "layer 7"},
                                         Case{"blk.7.ffn_gate.weight", "mlp.gate", "layer 7"},
                                         Case{"blk.7.ffn_norm.weight", "norm", "layer 7", false},
                                         Case{"output_norm.weight", "norm", "norm", false},
                                         Case{"output.weight", "head", "head"}));

INSTANTIATE_TEST_SUITE_P(
    Others, TensorGroups,
    testing::Values(
        Case{"backbone.layers.9.mixer.in_proj.weight", "in_proj", "layer 9"},
        Case{"backbone.layers.9.mixer.out_proj.weight", "out_proj", "layer 9"},
        Case{"backbone.layers.9.mixer.A_log", "A_log", "layer 9"},
        Case{"backbone.layers.9.mixer.conv1d.bias", "conv1d", "layer 9", false},
        Case{"backbone.layers.9.norm.weight", "norm", "layer 9", false},
        Case{"backbone.embeddings.weight", "embedding", "embedding"},
        Case{"model.vision_tower.vision_model.encoder.layers.2.self_attn.out_proj.weight",
             "vision attention.o", "vision layer 2"},
        Case{"vision_tower.vision_model.encoder.layers.2.mlp.fc1.weight", "vision mlp.up",
             "vision layer 2"},
        Case{"vision_tower.vision_model.embeddings.patch_embedding.weight", "vision embedding",
             "vision embedding"},
        Case{"language_model.model.layers.2.self_attn.q_proj.weight", "attention.q", "layer 2"},
        Case{"multi_modal_projector.linear_1.weight", "linear_1", "linear_1"},
        Case{"encoder.layer.1.attention.self.query.weight", "attention.q", "layer 1"},
        Case{"encoder.layer.1.intermediate.dense.weight", "mlp.up", "layer 1"},
        Case{"anything", "anything", "anything"}));

TEST(TensorGroups, OddNamesDoNotBreakIt) {
  EXPECT_EQ(group_of("").kind, "other");
  EXPECT_EQ(group_of("...").kind, "other");
  EXPECT_EQ(group_of("weight").kind, "weight");
  EXPECT_EQ(group_of("7").kind, "7");
}

}  // namespace
}  // namespace expo
