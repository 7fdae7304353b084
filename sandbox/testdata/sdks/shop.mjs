// A bad day in a shop, told through any of Sentry's SDKs for JavaScript.

export const options = (dsn) => ({ dsn, release: "storefront@9", environment: "staging", tracesSampleRate: 1 });

function takeFromShelf() {
  throw new Error("out of tents");
}

// badDay returns the id of the error, once all is sent.
export async function badDay(Sentry) {
  Sentry.setTag("shelf", "tents");
  Sentry.addBreadcrumb({ category: "ui.click", message: "opened the shop", level: "info" });
  let id;
  Sentry.startSpan({ name: "GET /tents", op: "http.server" }, () => {
    Sentry.startSpan({ name: "SELECT * FROM tents", op: "db.query" }, () => {});
    Sentry.logger.warn("few tents left", { left: 2 });
    Sentry.metrics.count("orders", 1, { attributes: { shelf: "tents" } });
    Sentry.metrics.gauge("tents", 2);
    Sentry.metrics.distribution("order.total", 240.5, { unit: "euro" });
    try {
      takeFromShelf();
    } catch (error) {
      id = Sentry.captureException(error);
    }
  });
  // Pages have no cron jobs: only the SDKs for servers check in.
  if (Sentry.captureCheckIn) {
    const monitor = { monitorSlug: "count-tents" };
    const checkInId = Sentry.captureCheckIn({ ...monitor, status: "in_progress" }, { schedule: { type: "crontab", value: "0 3 * * *" } });
    await Sentry.flush(30_000); // at once, the end may overtake the beginning
    Sentry.captureCheckIn({ ...monitor, checkInId, status: "error", duration: 1.5 });
  }
  Sentry.captureFeedback({ name: "Ann", email: "ann@example.test", message: "I wanted a tent", associatedEventId: id });
  if (!(await Sentry.flush(30_000))) throw new Error("the SDK could not send");
  return id;
}
