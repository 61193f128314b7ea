{{/* A size in MiB, of Kubernetes or of tessera; nothing where it is written in another way. */}}
{{- define "tessera.mib" -}}
{{- $size := ternary (. | int64 | toString) (toString .) (kindIs "float64" .) -}}
{{- if regexMatch "^[0-9]+Mi(B)?$" $size -}}{{ regexFind "^[0-9]+" $size }}
{{- else if regexMatch "^[0-9]+Gi(B)?$" $size -}}{{ mul (regexFind "^[0-9]+" $size) 1024 }}
{{- else if regexMatch "^[0-9]{7,}$" $size -}}{{ div $size 1048576 }}
{{- end -}}
{{- end }}

{{/* What the schema cannot say. Each message names the value to change. */}}
{{- define "tessera.guards" -}}
{{- $v := .Values -}}
{{- if not $v.config.entra -}}
{{- if not $v.entra.tenant }}{{ fail "entra.tenant: set the id of your Entra tenant (or list tenants in config.entra)" }}{{ end -}}
{{- if not $v.entra.audience }}{{ fail "entra.audience: set the audience of the tokens that are accepted, such as api://orders (or list tenants in config.entra)" }}{{ end -}}
{{- end -}}
{{- if and $v.entra.graph.clientId (not $v.entra.graph.existingSecret) }}{{ fail "entra.graph.existingSecret: name the Secret with the client secret of entra.graph.clientId" }}{{ end -}}
{{- range $key := list "listen" "shutdown" -}}
{{- if hasKey $v.config $key }}{{ fail (printf "config.%s: the Deployment must agree with this; set %s in its place" $key (ternary "listeners" "shutdown" (eq $key "listen"))) }}{{ end -}}
{{- end -}}
{{- if and (not $v.client.enabled) (not $v.config.clients) }}{{ fail "client.enabled: nobody could call; leave it on, or list clients in config.clients" }}{{ end -}}
{{- $store := $v.config.store | default dict -}}
{{- $shared := or (ne $v.redis.mode "none") (hasKey $store "redis") -}}
{{- if and (include "tessera.several" .) (not $shared) }}{{ fail "redis.mode: more than one replica needs a Redis that they share (revocations and signing keys): set redis.mode and redis.hosts, or replicaCount: 1 without autoscaling" }}{{ end -}}
{{- if and $v.autoscaling.enabled (lt (int $v.autoscaling.maxReplicas) (int $v.autoscaling.minReplicas)) }}{{ fail "autoscaling.maxReplicas: less than autoscaling.minReplicas" }}{{ end -}}
{{- if $v.persistence.enabled -}}
{{- if $shared }}{{ fail "persistence.enabled: with redis the keys are kept there; turn one of them off" }}{{ end -}}
{{- end -}}
{{- if and $v.sealing.previousKey (not $v.sealing.existingSecret) }}{{ fail "sealing.previousKey: needs sealing.existingSecret, which holds both keys" }}{{ end -}}
{{- if and $v.redis.tls.enabled (or $v.redis.tls.certificateKey $v.redis.tls.keyKey) -}}
{{- if not (and $v.redis.tls.existingSecret $v.redis.tls.certificateKey $v.redis.tls.keyKey) }}{{ fail "redis.tls.certificateKey: a client certificate needs existingSecret, certificateKey and keyKey" }}{{ end -}}
{{- end -}}
{{- if and $v.redis.sentinel.passwordKey (not $v.redis.existingSecret) }}{{ fail "redis.sentinel.passwordKey: needs redis.existingSecret" }}{{ end -}}
{{- if and $v.redis.username (not $v.redis.existingSecret) }}{{ fail "redis.username: needs a password: redis.existingSecret" }}{{ end -}}
{{- if and (eq $v.redis.mode "standalone") (gt (len $v.redis.hosts) 1) }}{{ fail "redis.hosts: one server with mode standalone; several nodes are a cluster, several sentinels mode sentinel" }}{{ end -}}
{{- if and (eq $v.redis.mode "cluster") (ne (int $v.redis.database) 0) }}{{ fail "redis.database: a cluster has 0 only" }}{{ end -}}
{{- $cache := include "tessera.mib" (($v.config.cache | default dict).bytes | default "256MiB") -}}
{{- $memory := include "tessera.mib" (($v.resources.limits | default dict).memory | default "") -}}
{{- if and $cache $memory (lt (int $memory) (add (int $cache) 128 | int)) }}{{ fail (printf "resources.limits.memory: %sMi cannot hold a cache of %s MiB (config.cache.bytes) and 128 more; the pod would be killed when it fills" $memory $cache) }}{{ end -}}
{{- $ports := dict -}}
{{- range $name := include "tessera.listeners" . | fromJsonArray -}}
{{- $port := (index $v.listeners $name).port | int | toString -}}
{{- if hasKey $ports $port }}{{ fail (printf "listeners.%s.port: %s has this one already" $name (get $ports $port)) }}{{ end -}}
{{- $_ := set $ports $port $name -}}
{{- end -}}
{{- if and $v.networkPolicy.enabled (or $v.listeners.tyk.enabled $v.listeners.envoy.enabled) (not $v.networkPolicy.gateways) }}{{ fail "networkPolicy.gateways: say which pods may reach listeners.tyk and listeners.envoy, such as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: tyk}}}]" }}{{ end -}}
{{- if and $v.podDisruptionBudget.enabled (include "tessera.several" .) -}}
{{- $least := ternary (int $v.autoscaling.minReplicas) (int $v.replicaCount) $v.autoscaling.enabled -}}
{{- if not (or (kindIs "invalid" $v.podDisruptionBudget.minAvailable) (kindIs "string" $v.podDisruptionBudget.minAvailable)) -}}
{{- if ge (int $v.podDisruptionBudget.minAvailable) $least }}{{ fail (printf "podDisruptionBudget.minAvailable: with %d replicas no node could ever be drained" $least) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if and $v.workloadIdentity.enabled (not $v.serviceAccount.create) }}{{ fail "workloadIdentity.enabled: the chart annotates the ServiceAccount that it makes; with serviceAccount.create=false set podLabels, and annotate yours" }}{{ end -}}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) }}{{ fail "ingress.hosts: name at least one host" }}{{ end -}}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) }}{{ fail "httpRoute.parentRefs: name the Gateway" }}{{ end -}}
{{- end }}
