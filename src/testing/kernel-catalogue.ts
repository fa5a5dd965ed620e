import type { Kernel } from '../gpu/kernel.ts';
import { attentionCases } from '../kernels/attention.ref.ts';
import { attention } from '../kernels/attention.ts';
import { attentionCombineCases } from '../kernels/attention-combine.ref.ts';
import { attentionCombine } from '../kernels/attention-combine.ts';
import { attentionSplitCases } from '../kernels/attention-split.ref.ts';
import { attentionSplit } from '../kernels/attention-split.ts';
import { bodyNetworksCases } from '../kernels/body-networks.ref.ts';
import { bodyNetworks } from '../kernels/body-networks.ts';
import { boxCandidatesCases } from '../kernels/box-candidates.ref.ts';
import { boxCandidates } from '../kernels/box-candidates.ts';
import { boxOverlapsCases } from '../kernels/box-overlaps.ref.ts';
import { boxOverlaps } from '../kernels/box-overlaps.ts';
import { channelAffineCases } from '../kernels/channel-affine.ref.ts';
import { channelAffine } from '../kernels/channel-affine.ts';
import { channelAttentionCases } from '../kernels/channel-attention.ref.ts';
import { channelAttention } from '../kernels/channel-attention.ts';
import { convolutionCases } from '../kernels/convolution.ref.ts';
import { convolution } from '../kernels/convolution.ts';
import { convolutionMatrixCases } from '../kernels/convolution-matrix.ref.ts';
import { convolutionMatrix } from '../kernels/convolution-matrix.ts';
import { embeddingCases } from '../kernels/embedding.ref.ts';
import { embedding } from '../kernels/embedding.ts';
import { gatedActivationCases } from '../kernels/gated-activation.ref.ts';
import { gatedActivation } from '../kernels/gated-activation.ts';
import { gatherTokensCases } from '../kernels/gather-tokens.ref.ts';
import { gatherTokens } from '../kernels/gather-tokens.ts';
import { headGatesCases } from '../kernels/head-gates.ref.ts';
import { headGates } from '../kernels/head-gates.ts';
import { headRowsCases } from '../kernels/head-rows.ref.ts';
import { headRows } from '../kernels/head-rows.ts';
import { keepBoxesCases } from '../kernels/keep-boxes.ref.ts';
import { keepBoxes } from '../kernels/keep-boxes.ts';
import { keepTokenCases } from '../kernels/keep-token.ref.ts';
import { keepToken } from '../kernels/keep-token.ts';
import { kvProjectCases } from '../kernels/kv-project.ref.ts';
import { kvProject } from '../kernels/kv-project.ts';
import { kvQuantizeCases } from '../kernels/kv-quantize.ref.ts';
import { kvQuantize } from '../kernels/kv-quantize.ts';
import { kvUnpackCases } from '../kernels/kv-unpack.ref.ts';
import { kvUnpack } from '../kernels/kv-unpack.ts';
import { lastRowCases } from '../kernels/last-row.ref.ts';
import { lastRow } from '../kernels/last-row.ts';
import { letterboxCases } from '../kernels/letterbox.ref.ts';
import { letterbox } from '../kernels/letterbox.ts';
import { maskBitsCases } from '../kernels/mask-bits.ref.ts';
import { maskBits } from '../kernels/mask-bits.ts';
import { gatedMatmulCases, matmulCases } from '../kernels/matmul.ref.ts';
import { matmul } from '../kernels/matmul.ts';
import { matvecCases } from '../kernels/matvec.ref.ts';
import { matvec } from '../kernels/matvec.ts';
import { poolCases } from '../kernels/pool.ref.ts';
import { pool } from '../kernels/pool.ts';
import { qkvCases } from '../kernels/qkv.ref.ts';
import { qkv } from '../kernels/qkv.ts';
import { queryNormGatesCases } from '../kernels/query-norm-gates.ref.ts';
import { queryNormGates } from '../kernels/query-norm-gates.ts';
import { radixCountCases } from '../kernels/radix-count.ref.ts';
import { radixCount } from '../kernels/radix-count.ts';
import { radixScanCases } from '../kernels/radix-scan.ref.ts';
import { radixScan } from '../kernels/radix-scan.ts';
import { radixScatterCases } from '../kernels/radix-scatter.ref.ts';
import { radixScatter } from '../kernels/radix-scatter.ts';
import { rankBoxesCases } from '../kernels/rank-boxes.ref.ts';
import { rankBoxes } from '../kernels/rank-boxes.ts';
import { resampleCases } from '../kernels/resample.ref.ts';
import { resample } from '../kernels/resample.ts';
import { rmsNormCases } from '../kernels/rms-norm.ref.ts';
import { rmsNorm } from '../kernels/rms-norm.ts';
import { ropeCases } from '../kernels/rope.ref.ts';
import { rope } from '../kernels/rope.ts';
import { sampleCases } from '../kernels/sample.ref.ts';
import { sample } from '../kernels/sample.ts';
import { selectionPassCases } from '../kernels/selection-pass.ref.ts';
import { selectionPass } from '../kernels/selection-pass.ts';
import { selectionScoresCases } from '../kernels/selection-scores.ref.ts';
import { selectionScores } from '../kernels/selection-scores.ts';
import { selectionStepCases } from '../kernels/selection-step.ref.ts';
import { selectionStep } from '../kernels/selection-step.ts';
import { selectionTopCases } from '../kernels/selection-top.ref.ts';
import { selectionTop } from '../kernels/selection-top.ts';
import { selectionVotesCases } from '../kernels/selection-votes.ref.ts';
import { selectionVotes } from '../kernels/selection-votes.ts';
import { splatProjectCases } from '../kernels/splat-project.ref.ts';
import { splatProject } from '../kernels/splat-project.ts';
import { tileCountCases } from '../kernels/tile-count.ref.ts';
import { tileCount } from '../kernels/tile-count.ts';
import { tileEmitCases } from '../kernels/tile-emit.ref.ts';
import { tileEmit } from '../kernels/tile-emit.ts';
import { tileRasterCases } from '../kernels/tile-raster.ref.ts';
import { tileRaster } from '../kernels/tile-raster.ts';
import type { KernelCase } from './kernel-run.ts';

interface Entry {
  // Kernels of different uses stand in one list; each goes with cases of its own use.
  // biome-ignore lint/suspicious/noExplicitAny: a list of existential types
  kernel: Kernel<any>;
  // biome-ignore lint/suspicious/noExplicitAny: a list of existential types
  cases: readonly KernelCase<any>[];
}

/** Every kernel with its cases: what the snapshots, the compile check and the support table go through. */
export const kernelCatalogue: readonly Entry[] = [
  { kernel: attention, cases: attentionCases },
  { kernel: attentionCombine, cases: attentionCombineCases },
  { kernel: attentionSplit, cases: attentionSplitCases },
  { kernel: channelAffine, cases: channelAffineCases },
  { kernel: channelAttention, cases: channelAttentionCases },
  { kernel: convolution, cases: convolutionCases },
  { kernel: convolutionMatrix, cases: convolutionMatrixCases },
  { kernel: embedding, cases: embeddingCases },
  { kernel: gatedActivation, cases: gatedActivationCases },
  { kernel: lastRow, cases: lastRowCases },
  { kernel: matmul, cases: [...matmulCases, ...gatedMatmulCases] },
  { kernel: matvec, cases: matvecCases },
  { kernel: pool, cases: poolCases },
  { kernel: qkv, cases: qkvCases },
  { kernel: resample, cases: resampleCases },
  { kernel: rmsNorm, cases: rmsNormCases },
  { kernel: rope, cases: ropeCases },
  { kernel: sample, cases: sampleCases },
  { kernel: letterbox, cases: letterboxCases },
  { kernel: boxCandidates, cases: boxCandidatesCases },
  { kernel: rankBoxes, cases: rankBoxesCases },
  { kernel: boxOverlaps, cases: boxOverlapsCases },
  { kernel: headGates, cases: headGatesCases },
  { kernel: queryNormGates, cases: queryNormGatesCases },
  { kernel: headRows, cases: headRowsCases },
  { kernel: selectionPass, cases: selectionPassCases },
  { kernel: selectionStep, cases: selectionStepCases },
  { kernel: selectionScores, cases: selectionScoresCases },
  { kernel: selectionVotes, cases: selectionVotesCases },
  { kernel: selectionTop, cases: selectionTopCases },
  { kernel: keepToken, cases: keepTokenCases },
  { kernel: gatherTokens, cases: gatherTokensCases },
  { kernel: kvProject, cases: kvProjectCases },
  { kernel: kvQuantize, cases: kvQuantizeCases },
  { kernel: kvUnpack, cases: kvUnpackCases },
  { kernel: keepBoxes, cases: keepBoxesCases },
  { kernel: maskBits, cases: maskBitsCases },
  { kernel: radixCount, cases: radixCountCases },
  { kernel: radixScan, cases: radixScanCases },
  { kernel: radixScatter, cases: radixScatterCases },
  { kernel: bodyNetworks, cases: bodyNetworksCases },
  { kernel: splatProject, cases: splatProjectCases },
  { kernel: tileCount, cases: tileCountCases },
  { kernel: tileEmit, cases: tileEmitCases },
  { kernel: tileRaster, cases: tileRasterCases },
];
