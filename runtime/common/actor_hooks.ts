/**
 * The names of methods that mobula calls on an actor by itself. They are registered symbols, so that a class finds them also
 * where "mobula" was loaded twice.
 * @module
 */

/**
 * A method of this name runs once when the actor ends in good order: its last handle is gone, or it called exitActor(). Calls
 * that run end first; what it throws is logged and changes nothing; it has 30 s (MOBULA_SHUTDOWN_GRACE_MS). It does not run
 * when the actor is killed, crashes, or ends with its job.
 */
export const onShutdown: unique symbol = Symbol.for("mobula.onShutdown") as never;

/**
 * A durable actor has two more. `[saveState]()` gives its state as plain data (or a promise of it): after every
 * `checkpointEvery` calls, and after a call that asked for it with checkpoint(). `[restoreState](state)` takes the last one that was saved, after
 * the constructor of a restart and before any call; what it throws fails the restart as the constructor's error would.
 */
export const saveState: unique symbol = Symbol.for("mobula.saveState") as never;
export const restoreState: unique symbol = Symbol.for("mobula.restoreState") as never;
