/** The library's face. Everything that an action, or a program with a supervisor of its own, needs. */
export { z } from 'zod';

export {
  ActionError,
  CancelledError,
  ConfigError,
  SupervisorError,
  type Consequence,
  type ErrorReport,
} from './core/errors.ts';
export { makeLog, type Log, type LogLevel } from './core/log.ts';
export { loadConfig, type Config } from './config/config.ts';
export {
  By,
  CommandTimeoutError,
  Key,
  SessionDeathError,
  SessionEndedError,
  SessionStartError,
  until,
  type Death,
  type DeathCause,
  type DeathEvidence,
  type Detector,
  type WebDriver,
  type WebElement,
} from './driver/driver.ts';
export {
  ApiError,
  CriticalFailureError,
  RestartLimitError,
  SessionSupervisor,
  type Api,
  type ApiInit,
  type BatchCounts,
  type BatchOptions,
  type BatchOutcome,
  type BatchResult,
  type BatchTools,
  type BatchWorker,
  type SupervisorEvents,
  type SupervisorHealth,
  type SupervisorOptions,
  type SupervisorStatus,
} from './supervisor/supervisor.ts';
export {
  defineAction,
  ExportError,
  PoisonedStepError,
  RunTimeoutError,
  runAction,
  type Action,
  type ActionBatchOptions,
  type ActionContext,
  type ActionDefinition,
  type ItemTools,
  type PrepareContext,
  type RunCounts,
  type RunOptions,
  type RunOutcome,
  type RunStatus,
  type SaveOptions,
  type SaveRecord,
  type StepOptions,
  type StepTools,
} from './runs/runs.ts';
