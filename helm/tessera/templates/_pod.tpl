{{/* The folders of secrets, each with its volume source: {FOLDER: {…}} as YAML. */}}
{{- define "tessera.secretVolumes" -}}
{{- $v := .Values -}}
{{- $named := dict -}}
{{- if $v.client.enabled }}{{ $_ := set $named "client" (include "tessera.clientSecret" .) }}{{ end -}}
{{- if and $v.entra.graph.clientId (not $v.config.entra) }}{{ $_ := set $named "graph" $v.entra.graph.existingSecret }}{{ end -}}
{{- if include "tessera.seals" . }}{{ $_ := set $named "sealing" (include "tessera.sealingSecret" .) }}{{ end -}}
{{- if ne $v.redis.mode "none" -}}
{{- with $v.redis.existingSecret }}{{ $_ := set $named "redis" . }}{{ end -}}
{{- if $v.redis.tls.enabled }}{{ with $v.redis.tls.existingSecret }}{{ $_ := set $named "redis-tls" . }}{{ end }}{{ end -}}
{{- end -}}
{{- range $name := include "tessera.listeners" . | fromJsonArray -}}
{{- with (index $v.listeners $name).tls.existingSecret }}{{ $_ := set $named (printf "tls-%s" $name) . }}{{ end -}}
{{- end -}}
{{- $volumes := dict -}}
{{- range $folder, $secret := $named -}}
{{/* 0440: by the group of fsGroup alone. */}}
{{- $_ := set $volumes $folder (dict "secret" (dict "secretName" $secret "defaultMode" 288)) -}}
{{- end -}}
{{- range $folder, $given := $v.secrets -}}
{{- if $given.volume -}}
{{- $_ := set $volumes $folder $given.volume -}}
{{- else -}}
{{- $_ := set $volumes $folder (dict "secret" (dict "secretName" $given.existingSecret "defaultMode" 288)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $volumes -}}
{{- end }}

{{- define "tessera.probe" -}}
httpGet:
  path: {{ index . 1 }}
  port: admin
  scheme: {{ ternary "HTTPS" "HTTP" (ne (index . 0).Values.listeners.admin.tls.existingSecret "") }}
{{- end }}

{{- define "tessera.topologySpread" -}}
{{- if kindIs "slice" .Values.topologySpreadConstraints -}}
{{- toYaml .Values.topologySpreadConstraints -}}
{{- else if include "tessera.several" . -}}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  # Old pods of a roll-out do not count.
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels:
      {{- include "tessera.serverSelector" $ | nindent 6 }}
{{- end }}
{{- end -}}
{{- end }}
