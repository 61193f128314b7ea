{{/* Where a secret is mounted: (list FOLDER KEY) */}}
{{- define "tessera.file" -}}
{{- printf "${file:/run/secrets/tessera/%s/%s}" (index . 0) (index . 1) -}}
{{- end }}

{{- define "tessera.issuer" -}}
{{- if .Values.issuer -}}
{{- .Values.issuer -}}
{{- else if and .Values.ingress.enabled .Values.ingress.hosts -}}
https://{{ first .Values.ingress.hosts }}
{{- else if and .Values.httpRoute.enabled .Values.httpRoute.hostnames -}}
https://{{ first .Values.httpRoute.hostnames }}
{{- else -}}
https://{{ include "tessera.host" (list . "") }}.{{ .Values.clusterDomain }}
{{- end -}}
{{- end }}

{{- define "tessera.config.listen" -}}
{{- $address := .Values.listeners.address -}}
{{- if contains ":" $address }}{{ $address = printf "[%s]" $address }}{{ end -}}
{{- $listen := dict -}}
{{- $tls := dict -}}
{{- range $name := include "tessera.listeners" . | fromJsonArray -}}
{{- $listener := index $.Values.listeners $name -}}
{{- $_ := set $listen $name (printf "%s:%d" $address (int $listener.port)) -}}
{{- if $listener.tls.existingSecret -}}
{{- $folder := printf "tls-%s" $name -}}
{{- $one := dict "certificate" (include "tessera.file" (list $folder $listener.tls.certificateKey)) "key" (include "tessera.file" (list $folder $listener.tls.keyKey)) -}}
{{- with $listener.tls.clientCaKey }}{{ $_ := set $one "client_ca" (include "tessera.file" (list $folder .)) }}{{ end -}}
{{- $_ := set $tls $name $one -}}
{{- end -}}
{{- end -}}
{{- if $tls }}{{ $_ := set $listen "tls" $tls }}{{ end -}}
{{- toYaml $listen -}}
{{- end }}

{{- define "tessera.config.tenant" -}}
{{- $entra := .Values.entra -}}
{{- $tenant := dict "tenant" $entra.tenant "audiences" (prepend $entra.audiences $entra.audience | uniq) "authority" $entra.authority -}}
{{- with $entra.callerAudiences }}{{ $_ := set $tenant "caller_audiences" . }}{{ end -}}
{{- if $entra.graph.clientId -}}
{{- $_ := set $tenant "graph" (dict "client_id" $entra.graph.clientId "client_secret" (include "tessera.file" (list "graph" $entra.graph.key))) -}}
{{- end -}}
{{- toYaml $tenant -}}
{{- end }}

{{- define "tessera.config.redis" -}}
{{- $r := .Values.redis -}}
{{- $redis := dict "url" (printf "%s://%s" (ternary "rediss" "redis" $r.tls.enabled) (first $r.hosts)) "mode" $r.mode "prefix" $r.prefix "when_unreachable" $r.whenUnreachable "results" $r.results "database" (int $r.database) -}}
{{- with rest $r.hosts }}{{ $_ := set $redis "nodes" . }}{{ end -}}
{{- with $r.username }}{{ $_ := set $redis "username" . }}{{ end -}}
{{- if $r.existingSecret }}{{ $_ := set $redis "password" (include "tessera.file" (list "redis" $r.passwordKey)) }}{{ end -}}
{{- if eq $r.mode "sentinel" -}}
{{- $_ := set $redis "master" $r.sentinel.master -}}
{{- with $r.sentinel.username }}{{ $_ := set $redis "sentinel_username" . }}{{ end -}}
{{- with $r.sentinel.passwordKey }}{{ $_ := set $redis "sentinel_password" (include "tessera.file" (list "redis" .)) }}{{ end -}}
{{- end -}}
{{- if and $r.tls.enabled $r.tls.existingSecret -}}
{{- with $r.tls.caKey }}{{ $_ := set $redis "ca" (include "tessera.file" (list "redis-tls" .)) }}{{ end -}}
{{- with $r.tls.certificateKey }}{{ $_ := set $redis "certificate" (include "tessera.file" (list "redis-tls" .)) }}{{ end -}}
{{- with $r.tls.keyKey }}{{ $_ := set $redis "key" (include "tessera.file" (list "redis-tls" .)) }}{{ end -}}
{{- end -}}
{{- toYaml $redis -}}
{{- end }}

{{/* tessera.yaml: what the values say, and `config` over it. */}}
{{- define "tessera.config" -}}
{{- $v := .Values -}}
{{- $c := dict "issuer" (include "tessera.issuer" .) "listen" (include "tessera.config.listen" . | fromYaml) -}}
{{- $_ := set $c "shutdown" (dict "drain" (printf "%ds" (int $v.shutdown.drainSeconds)) "grace" (printf "%ds" (int $v.shutdown.graceSeconds))) -}}
{{- $audiences := list -}}
{{- if $v.config.entra -}}
{{- range $v.config.entra }}{{ $audiences = concat $audiences (.audiences | default list) | uniq }}{{ end -}}
{{- else -}}
{{- $_ := set $c "entra" (list (include "tessera.config.tenant" . | fromYaml)) -}}
{{- $audiences = prepend $v.entra.audiences $v.entra.audience | uniq -}}
{{- end -}}
{{- if $v.client.enabled -}}
{{- $client := dict "secret" (include "tessera.file" (list "client" $v.client.key)) "introspect" (dict "audiences" $audiences) -}}
{{- $_ := set $c "clients" (dict $v.client.name $client) -}}
{{- end -}}
{{- if include "tessera.seals" . -}}
{{- $store := dict "sealing_key" (include "tessera.file" (list "sealing" $v.sealing.key)) -}}
{{- with $v.sealing.previousKey }}{{ $_ := set $store "previous_sealing_key" (include "tessera.file" (list "sealing" .)) }}{{ end -}}
{{- if ne $v.redis.mode "none" }}{{ $_ := set $store "redis" (include "tessera.config.redis" . | fromYaml) }}{{ end -}}
{{- $_ := set $c "store" $store -}}
{{- end -}}
{{- if $v.persistence.enabled }}{{ $_ := set $c "signing" (dict "folder" "/var/lib/tessera") }}{{ end -}}
{{- toYaml (mergeOverwrite $c (deepCopy $v.config)) -}}
{{- end }}

{{/*
What tessera takes up only when it starts. A change here makes new pods; all else is live, and a restart would only throw
caches away.
*/}}
{{- define "tessera.restarts" -}}
{{- $c := include "tessera.config" . | fromYaml -}}
{{- $parts := dict "listen" (omit $c.listen "tls") "tls" (keys ($c.listen.tls | default dict) | sortAlpha) -}}
{{- range $key := list "store" "signing" "traces" "shutdown" -}}
{{- $_ := set $parts $key (get $c $key) -}}
{{- end -}}
{{- $_ := set $parts "cache" (get ($c.cache | default dict) "bytes") -}}
{{- $_ := set $parts "format" (get ($c.log | default dict) "format") -}}
{{- $_ := set $parts "audit" (omit ($c.audit | default dict) "introspections") -}}
{{- toJson $parts | sha256sum -}}
{{- end }}
