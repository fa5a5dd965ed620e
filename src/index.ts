export type {
  AttachOptions,
  Avatar,
  AvatarView,
  DetectableFrame,
  Detector,
  DetectorView,
  DeviceListener,
  Generation,
  LanguageModel,
  ModelStore,
  PlacedAvatar,
  Runtime,
  RuntimeOptions,
  Scene,
  Tokenizer,
} from './client/api.ts';
export {
  type Chat,
  type ChatMessage,
  type ChatOptions,
  type ChatState,
  type ChatStatus,
  createChat,
  messageText,
} from './client/chat.ts';
export { checkSupport } from './client/check-support.ts';
export { describeDetections } from './client/describe-detections.ts';
export { type FollowChatOptions, followChat } from './client/follow-chat.ts';
export { type OpenCameraOptions, openCamera } from './client/open-camera.ts';
export { createRuntime } from './client/runtime.ts';
export { VitrailError, type VitrailErrorCode } from './errors.ts';
export type * from './types.ts';
