/** A worker's entry that cannot be loaded. */
throw new Error('this worker fails at boot');
