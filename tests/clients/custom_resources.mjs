// Checks custom resources (JSON lines on standard input) against the schemas that their projects publish: the Prometheus
// operator's and the Gateway API's. Prints what was checked as `KIND`, and what is wrong to standard error.
import { createInterface } from 'node:readline';
import { HTTPRoute } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute';
import { PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule';
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';

const kinds = { HTTPRoute, PrometheusRule, ServiceMonitor };
for await (const line of createInterface({ input: process.stdin })) {
  const { where, object } = JSON.parse(line);
  try {
    const { apiVersion } = new kinds[object.kind]({});
    if (apiVersion !== object.apiVersion) throw new Error(`is ${object.apiVersion}, not ${apiVersion}`);
    new kinds[object.kind](object).validate();
    console.log(object.kind);
  } catch (error) {
    process.exitCode = 1;
    console.error(`${where}: ${object.kind}: ${error.message}`);
  }
}
