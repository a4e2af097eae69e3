-- What wrk measured, as one line of JSON: latencies in microseconds, the rate in requests a second.
done = function(summary, latency, requests)
  io.write(string.format(
    '{"p50_us": %d, "p99_us": %d, "per_second": %.1f, "requests": %d, "refused": %d}\n',
    latency:percentile(50), latency:percentile(99), summary.requests / (summary.duration / 1e6), summary.requests,
    summary.errors.status))
end
